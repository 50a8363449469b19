"""Everything that a request goes through: request ids, limits, CSRF, who asks, and how errors are
told."""
