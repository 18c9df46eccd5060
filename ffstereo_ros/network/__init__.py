"""The network: each stage written once, built from a `NetworkConfig`, used by inference, export and training alike."""
