"""The bus: links to the wire (serial, TCP, memory), and the runner that carries an exchange over one of them."""
