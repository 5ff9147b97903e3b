//! If DynamoDB or Secrets Manager is unreachable, callers get 503 and nothing is partially written.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use twostep_tests::{Stack, eventually, fresh_phone, stack::free_ports};

/// A proxy to a port that can be disconnected and reconnected.
struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let is_cut = Arc::clone(&is_cut);
                tokio::spawn(async move {
                    let Ok(mut outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
                    let until_cut = async {
                        while !is_cut.load(Ordering::Relaxed) {
                            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                        }
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inside, &mut outside) => {}
                        () = until_cut => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

#[tokio::test]
async fn while_dynamodb_is_away_callers_get_503_and_afterwards_all_goes_on() {
    let [dynamodb] = free_ports();
    let wire = Wire::to(dynamodb).await;
    let environment =
        [("DYNAMODB_PORT", &*dynamodb.to_string()), ("AWS_ENDPOINT_URL_DYNAMODB", &wire.url()), ("CONCURRENCY", "1")];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    let session = client.register(&fresh_phone()).await;

    wire.set_cut(true);
    for path in ["/register/phone", "/login/phone"] {
        client.start(path, &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    }
    client.verify(&challenge, &code).await.expect_problem(503, "temporarily_unavailable");
    client.challenge(&challenge).await.expect_problem(503, "temporarily_unavailable");
    client.profile(&session.access_token).await.expect_problem(503, "temporarily_unavailable");
    client.refresh(&session.refresh_token).await.expect_problem(503, "temporarily_unavailable");

    wire.set_cut(false);
    client.verify(&challenge, &code).await.expect(200);
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn while_secrets_manager_is_away_callers_get_503_and_afterwards_all_goes_on() {
    let [secrets] = free_ports();
    let wire = Wire::to(secrets).await;
    wire.set_cut(true);
    let environment = [
        ("SECRETS_PORT", &*secrets.to_string()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &wire.url()),
        ("CONCURRENCY", "1"),
    ];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    client.get("/.well-known/jwks.json").await.expect_problem(503, "temporarily_unavailable");
    client.start("/register/phone", &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    client.profile("x").await.expect_problem(503, "temporarily_unavailable");

    wire.set_cut(false);
    let phone = fresh_phone();
    let answer = eventually("a challenge", async || {
        let answer = client.start("/register/phone", &phone).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    client.verify(&answer.body, &client.code(&phone).await).await.expect(200);
}
