//! If DynamoDB or Secrets Manager is unreachable, callers get 503 and nothing is partially written.

use std::net::Ipv4Addr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use twostep_tests::{Stack, eventually, fresh_phone, stack::free_ports};

/// A proxy to a port that can be disconnected and reconnected.
struct Wire {
    port: u16,
    cut: watch::Sender<bool>,
    open: watch::Sender<usize>,
}

/// One open connection through a wire.
struct Connection(watch::Sender<usize>);

impl Connection {
    fn through(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Self(open.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Wire {
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, open) = (watch::Sender::new(false), watch::Sender::new(0));
        let (is_cut, opened) = (cut.subscribe(), open.clone());
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let connection = Connection::through(&opened);
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    let _connection = connection;
                    let copied = async {
                        let mut outside = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
                        copy_bidirectional(&mut inside, &mut outside).await
                    };
                    tokio::select! {
                        // First: what is cut passes nothing on.
                        biased;
                        _ = is_cut.wait_for(|cut| *cut) => {}
                        _ = copied => {}
                    }
                });
            }
        });
        Self { port, cut, open }
    }

    /// Cuts every connection, and returns when none passes anything on.
    async fn cut(&self) {
        self.cut.send_replace(true);
        self.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }

    fn mend(&self) {
        self.cut.send_replace(false);
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

    wire.cut().await;
    for path in ["/register/phone", "/login/phone"] {
        client.start(path, &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    }
    client.verify(&challenge, &code).await.expect_problem(503, "temporarily_unavailable");
    client.challenge(&challenge).await.expect_problem(503, "temporarily_unavailable");
    client.profile(&session.access_token).await.expect_problem(503, "temporarily_unavailable");
    client.refresh(&session.refresh_token).await.expect_problem(503, "temporarily_unavailable");

    wire.mend();
    client.verify(&challenge, &code).await.expect(200);
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn while_secrets_manager_is_away_callers_get_503_and_afterwards_all_goes_on() {
    let [secrets] = free_ports();
    let wire = Wire::to(secrets).await;
    wire.cut().await;
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

    wire.mend();
    let phone = fresh_phone();
    let answer = eventually("a challenge", async || {
        let answer = client.start("/register/phone", &phone).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    client.verify(&answer.body, &client.code(&phone).await).await.expect(200);
}
