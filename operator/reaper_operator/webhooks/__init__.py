"""Admission webhooks, on every replica, where the settings ask for them: docs/decisions/0012-webhooks.md.

verdict.py is what is answered, reviews.py hands it to Kopf, listener.py and tls.py serve it; authority.py, rotation.py
and certificates.py are about certificates, registration.py keeps them in the cluster, serving.py puts it together.
"""
