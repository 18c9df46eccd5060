"""The networks that ship with the package, and the ones a user downloads or converts."""
