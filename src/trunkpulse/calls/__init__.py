"""Live calls, as the switches beside us mirror them: what they say of the places they go to.

``hep`` reads the mirror's frames, ``signal`` the SIP inside, ``ledger`` follows the calls. Nothing
here knows of probes; what an ended call means is in ``health.passive``.
"""
