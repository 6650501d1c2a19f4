//! Types and values for the tests of this room and of those below it.
