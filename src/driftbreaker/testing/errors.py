"""What the throwaway PostgreSQL raises."""


class PostgresNotFound(RuntimeError):  # noqa: N818 - the name is what happened
    """There is no PostgreSQL to run tests on; the message says how to get one."""


class PostgresFailed(RuntimeError):  # noqa: N818 - the name is what happened
    """PostgreSQL was found but did not start; the message ends with the last lines it wrote."""
