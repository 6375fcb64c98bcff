"""What a doctor looks at, as small checks of an Engine that print nothing: for `driftbreaker doctor`, for health pages.

Each returns findings: a name, a verdict, one line, and what to do. None raises for what a database or a receiver does.
"""

from ..statements.health import Job
from .clocks import check_clock
from .database import check_database, check_sqlite, check_transactions
from .doctor import examine
from .finding import Finding, Verdict
from .grants import check_grants
from .listening import check_notifications
from .outbox import check_outbox, check_relay
from .pooling import check_connect_timeout, check_pooler
from .receivers import check_alertmanager, check_incident_directory, judge_alertmanager
from .schema import check_schema, schema_differences

__all__ = [
    "Finding",
    "Job",
    "Verdict",
    "check_alertmanager",
    "check_clock",
    "check_connect_timeout",
    "check_database",
    "check_grants",
    "check_incident_directory",
    "check_notifications",
    "check_outbox",
    "check_pooler",
    "check_relay",
    "check_schema",
    "check_sqlite",
    "check_transactions",
    "examine",
    "judge_alertmanager",
    "schema_differences",
]
