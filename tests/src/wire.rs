//! A proxy between the functions and one of their dependencies that can be disconnected.

use std::net::Ipv4Addr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How a wire behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections break.
    Cut,
    /// Connections stay open, and nothing comes through.
    Hanging,
}

/// A proxy to a port that can be disconnected, can hang, and can be mended.
pub struct Wire {
    port: u16,
    state: watch::Sender<State>,
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
    /// # Panics
    /// If there is no free port.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (state, open) = (watch::Sender::new(State::Whole), watch::Sender::new(0));
        let (changes, opened) = (state.subscribe(), open.clone());
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let connection = Connection::through(&opened);
                let mut changes = changes.clone();
                tokio::spawn(async move {
                    let _connection = connection;
                    let copied = async {
                        let mut outside = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
                        copy_bidirectional(&mut inside, &mut outside).await
                    };
                    tokio::select! {
                        // First: what is cut or hangs passes nothing on.
                        biased;
                        _ = changes.wait_for(|state| *state != State::Whole) => {}
                        _ = copied => {}
                    }
                    // A connection that hangs breaks once the wire is mended or cut.
                    let _ = changes.wait_for(|state| *state != State::Hanging).await;
                });
            }
        });
        Self { port, state, open }
    }

    /// Cuts every connection, and returns when none passes anything on.
    ///
    /// # Panics
    /// Never: the counter lives as long as the wire.
    pub async fn cut(&self) {
        self.state.send_replace(State::Cut);
        self.open.subscribe().wait_for(|open| *open == 0).await.expect("the counter");
    }

    /// From now on, nothing comes through, and connections stay open.
    pub fn hang(&self) {
        self.state.send_replace(State::Hanging);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}
