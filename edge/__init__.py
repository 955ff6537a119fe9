"""edge: a meter-reading gateway. Polls meters over RS-485, keeps every reading, forwards signed batches over MQTT."""

__version__ = "0.1.0"
