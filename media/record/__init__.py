"""Recordings: from rtpengine's pcap to a stereo file that is hashed, checked and filed."""
