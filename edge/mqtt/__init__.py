"""MQTT as events: one connection (`link`), what happens on it (`events`), its socket and TLS (`socket`)."""
