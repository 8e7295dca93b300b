"""Audio through rtpengine: its ng protocol, and legs that are opened, paired, parked, played to and recorded."""
