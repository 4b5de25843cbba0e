//! Where cookies that contain secrets of the check are sent.

use std::sync::Mutex;

use canary_tests::peer::http::{Reply, Site};

use super::*;

const SECRET: &str = "correct-horse-battery";

/// A site that sets three cookies and redirects every request to `place`.
fn front(place: String) -> Site {
    Site::start(move |_| {
        let reply = Reply::redirect(302, &place).header("set-cookie", "plain=1");
        let reply = reply.header("set-cookie", &format!("session=x{SECRET}y; Path=/"));
        reply.header("set-cookie", &format!("{SECRET}=z; Domain=127.0.0.1"))
    })
}

/// The cookies that the site received with its last request.
fn cookies(site: &Site) -> Option<String> {
    let last = site.requests().pop().unwrap();
    last.header("cookie").map(str::to_owned)
}

async fn follow(front: &Site, elsewhere: &Site) -> Response {
    let url = front.url("http", "/");
    let allow = [granted(elsewhere)];
    let check = Check {
        allow: &allow,
        secrets: Secrets::new([SECRET]),
        ..Check::of(&url)
    };
    check.client().send(asking("GET", &url, usual())).await.unwrap()
}

#[tokio::test]
async fn a_cookie_with_a_secret_does_not_go_to_another_port() {
    let elsewhere = Site::start(|_| Reply::text("there"));
    let front = front(elsewhere.url("http", "/"));
    assert_eq!(follow(&front, &elsewhere).await.body, b"there");
    assert_eq!(cookies(&elsewhere).as_deref(), Some("plain=1"));
}

#[tokio::test]
async fn a_cookie_with_a_secret_goes_on_with_the_origin_that_set_it() {
    let elsewhere = Site::start(|request| match request.header("cookie") {
        None => Reply::redirect(302, "/again").header("set-cookie", &format!("own={SECRET}; Path=/")),
        Some(_) => Reply::text("again"),
    });
    let place = elsewhere.url("http", "/");
    let front = Site::start(move |_| Reply::redirect(302, &place));
    assert_eq!(follow(&front, &elsewhere).await.body, b"again");
    assert_eq!(cookies(&elsewhere), Some(format!("own={SECRET}")));
}

#[tokio::test]
async fn a_cookie_with_a_secret_comes_back_to_the_checks_own_origin() {
    let home = Arc::new(Mutex::new(String::new()));
    let back = Arc::clone(&home);
    let elsewhere = Site::start(move |_| Reply::redirect(302, &back.lock().unwrap()));
    let place = elsewhere.url("http", "/");
    let front = Site::start(move |request| match request.header("cookie") {
        None => Reply::redirect(302, &place).header("set-cookie", &format!("a={SECRET}; Path=/")),
        Some(_) => Reply::text("home"),
    });
    *home.lock().unwrap() = front.url("http", "/home");
    assert_eq!(follow(&front, &elsewhere).await.body, b"home");
    assert_eq!(cookies(&elsewhere), None);
    assert_eq!(cookies(&front), Some(format!("a={SECRET}")));
}
