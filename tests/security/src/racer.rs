//! A thread that exchanges two paths without a pause, as a container that shares a volume could.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use sys::fs::{CWD, RenameFlags, renameat_with};

/// It goes on until this is dropped.
pub struct Racer {
    stop: Arc<AtomicBool>,
    exchanges: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Racer {
    /// Begins to exchange what is at the two paths (RENAME_EXCHANGE of renameat2(2): neither is ever missing).
    ///
    /// # Panics
    /// Where they cannot be exchanged.
    pub fn new(one: &Path, other: &Path) -> Self {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
        let (one, other) = (text(one), text(other));
        let exchange =
            move || renameat_with(CWD, one.as_c_str(), CWD, other.as_c_str(), RenameFlags::EXCHANGE);
        exchange().expect("two paths of one file system");
        let (stop, exchanges) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&exchanges));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // A path that has become a mount point in this namespace cannot be renamed for a moment.
                let done = exchange().is_ok();
                count.fetch_add(u64::from(done), Ordering::Relaxed);
            }
        });
        Self { stop, exchanges, thread: Some(thread) }
    }

    /// How often it has exchanged them so far.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It panics nowhere.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_are_always_there() {
        let scratch = cli::Scratch::new();
        let (one, other) = (scratch.join("one"), scratch.join("other"));
        std::fs::create_dir(&one).expect("directory");
        std::os::unix::fs::symlink("/", &other).expect("link");
        let racer = Racer::new(&one, &other);
        let mut kinds = [0; 2];
        while kinds[0] == 0 || kinds[1] == 0 {
            kinds[usize::from(one.symlink_metadata().expect("always there").is_symlink())] += 1;
        }
        // The count follows the exchange, and may do so after we have seen that.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while racer.exchanges() == 0 {
            assert!(std::time::Instant::now() < deadline, "exchanges are not counted");
            std::thread::yield_now();
        }
    }
}
