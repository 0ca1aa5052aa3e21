"""The sweep: a made-up patient goes in by every door, and is then looked for in every place where data could lie.

Exactly one place may know them: the encrypted mail that the receiving server got. Run it with `manage.py phi_sweep`; it
works in a database, a folder and a queue of its own, with the settings of the installation.

    canary   what is looked for, and in which disguises
    doors    the list of ways in, one entry each: a new door adds one to `programs` or `screens`
    places   where is looked, and how each place is shown to be looked at (the positive control)
    stage    the account, its people, and the server that receives
    rehearsal  all of it, in order
"""
