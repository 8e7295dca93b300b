"""The router: where a call goes, who waits, who is offered what."""
