"""The certificate: first ``certificate.json``, then everything that is rendered from it."""
