"""What every process needs and no domain owns: errors, clock, ids, logging, supervised tasks.

Must not: know a word of the domain (workspace, devfile, agent, route), or import any other Moorage
package.
"""
