"""The vendor's specification against ours: structures are compared, never words or order."""
