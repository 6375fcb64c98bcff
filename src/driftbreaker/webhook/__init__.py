"""Sends one signed message per alert to any HTTP receiver."""

from .channel import Webhook

__all__ = ["Webhook"]
