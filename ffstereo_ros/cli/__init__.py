"""Thin commands over the library: argparse stops here."""
