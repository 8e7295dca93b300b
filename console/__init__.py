"""The console: agents and supervisors in the browser, the ledger, the reports."""
