"""A circuit breaker for new code paths, kept in the database you already have."""
