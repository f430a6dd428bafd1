"""Networks: the protocol that they fulfil, their files, and whole songs run through them."""
