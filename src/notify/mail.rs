//! Mail, by SMTP.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{SmtpTransport, Transport};

use super::message::Message;
use super::rules::{Mail, secret};

/// Tells.
pub async fn tell(mail: Mail, message: &Message) -> Result<(), String> {
    let letter = letter(&mail, message)?;
    let sent = tokio::task::spawn_blocking(move || {
        let mut transport = SmtpTransport::from_url(&mail.url).map_err(|error| error.to_string())?;
        if let (Some(user), Some(password)) = (&mail.user_env, &mail.password_env) {
            transport = transport.credentials(Credentials::new(secret(user)?, secret(password)?));
        }
        transport.build().send(&letter).map(|_| ()).map_err(|error| error.to_string())
    });
    sent.await.map_err(|error| error.to_string())?
}

fn letter(mail: &Mail, message: &Message) -> Result<lettre::Message, String> {
    let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
    let mut builder = lettre::Message::builder().from(mailbox(&mail.from)?);
    for receiver in &mail.to {
        builder = builder.to(mailbox(receiver)?);
    }
    // Letters about one group are one thread.
    let thread = format!("<{}@obit>", message.fingerprint);
    builder
        .references(thread.clone())
        .in_reply_to(thread)
        .subject(format!("[obit] {}", message.title()))
        .header(ContentType::TEXT_PLAIN)
        .body(message.text())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_what_it_needs_and_no_line_of_its_own_making() {
        let mail = Mail {
            url: "smtp://localhost".to_owned(),
            user_env: None,
            password_env: None,
            from: "obit <obit@example.com>".to_owned(),
            to: vec!["crashes@example.com".to_owned()],
        };
        let message = Message {
            fingerprint: "1a2b".to_owned(),
            verdict: Some("null pointer\r\nBcc: everybody@example.com".to_owned()),
            ..Message::default()
        };
        let text = String::from_utf8(letter(&mail, &message).unwrap().formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("Subject: ") && head.contains("To: crashes@example.com"), "{head}");
        assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");
    }
}
