"""The operator: Kopf triggers, one reconcile, one status patch."""
