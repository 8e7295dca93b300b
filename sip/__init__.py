"""The SIP edge: Kamailio's configuration and script, its launcher (`python -m sip.edge`) and its shipper (`python -m sip.ship`)."""
