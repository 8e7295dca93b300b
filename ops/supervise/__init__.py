"""`tierline up`: a whole centre as child processes of one supervisor, on one machine."""
