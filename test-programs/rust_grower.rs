//! Fills a cache with 32 MiB, in a method of a generic type, and ends. Compiled by the tests with rustc.

mod store {
    pub struct Cache<V>(Vec<V>);

    impl<V> Cache<V> {
        pub fn new() -> Cache<V> {
            Cache(Vec::new())
        }

        #[inline(never)]
        pub fn keep(&mut self, make: impl Fn() -> V) {
            self.0.push(make());
        }

        pub fn len(&self) -> usize {
            self.0.len()
        }
    }
}

fn main() {
    let mut cache = store::Cache::new();
    for _ in 0..32 * 256 {
        cache.keep(|| std::hint::black_box(vec![1u8; 4096]));
    }
    println!("count={}", cache.len());
}
