"""The demonstration: a toy myVPK portal, which signs people in with the provider, and a small fictive register."""
