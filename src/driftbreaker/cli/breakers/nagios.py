"""The statuses of Nagios plugins (Nagios Plugin Development Guidelines, 2.4), which are not the command line's own."""

NAGIOS_CRITICAL = 2
NAGIOS_UNKNOWN = 3
