"""What every service shares: identities, clock, configuration, facts, logs, metrics, life cycle; the command `tierline`.

A leaf: it imports no service. Commands that need a service are found by entry point (`tierline.commands`).
"""
