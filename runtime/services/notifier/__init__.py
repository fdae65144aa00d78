"""notifier: tells customers by e-mail, at least once, with one Message-ID per event."""
