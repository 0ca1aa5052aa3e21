"""Approvals: nothing with protected data is sent that others than its makers have not approved, exactly as it is sent."""
