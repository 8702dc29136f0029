//! One command a file, readable aloud: which facts are gathered, in what order, and which document they become.
//! Knows nothing of terminals; what was decided comes in, a document goes out.

mod observe;
