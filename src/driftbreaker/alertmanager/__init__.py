"""Sends alerts to Prometheus Alertmanager, and to what speaks its API: Grafana Mimir, managed Alertmanagers."""

from .channel import Alertmanager
from .checkup import Checkup
from .peer import Peer

__all__ = ["Alertmanager", "Checkup", "Peer"]
