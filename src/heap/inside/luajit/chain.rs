//! The collector's lists: each object's first word leads to the next. Ends on any memory.

use crate::heap::image::Image;

/// Objects from one on, each once.
pub(super) struct Chain<'c, 'm> {
    image: &'c Image<'m>,
    at: u64,
    /// Objects that may still follow.
    left: u64,
    steps: u64,
    /// Where it was after a power of two of steps: to be there again is a loop.
    anchor: u64,
}

impl<'c, 'm> Chain<'c, 'm> {
    /// From the object at `first`, at most `most`.
    pub fn from(image: &'c Image<'m>, first: u64, most: u64) -> Chain<'c, 'm> {
        Chain { image, at: first, left: most, steps: 0, anchor: 0 }
    }
}

impl Iterator for Chain<'_, '_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let here = self.at;
        if here == 0 || here == self.anchor || !here.is_multiple_of(8) {
            return None;
        }
        let next = self.image.word(here)?;
        self.left = self.left.checked_sub(1)?;
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.anchor = here;
        }
        self.at = next;
        Some(here)
    }
}
