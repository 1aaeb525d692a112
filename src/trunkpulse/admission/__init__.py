"""Who is let in: users, clients, sessions and so on, kept in memory over where they are stored.

Everything is loaded at the start, so nobody who asks waits for the database to be let in, and
reading goes on while it is away. What is written goes there first and counts from then on.
"""
