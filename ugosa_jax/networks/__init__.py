"""Network architectures, and the protocol that they fulfil."""
