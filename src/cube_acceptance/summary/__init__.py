"""The summary of many certificates: checked, settled, shown."""
