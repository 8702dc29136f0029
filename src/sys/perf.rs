//! perf_event_open(2) for one thread on one processor: page faults, execution breakpoints and tracepoints, with the user's registers
//! and a copy of its stack in every sample. All of it ends with the descriptor, so that nothing is left in a target
//! whatever happens to us. Rings of samples are `perf_ring`'s; what to watch is the caller's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::units::Addr;

/// What is counted and sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// PERF_COUNT_SW_PAGE_FAULTS.
    PageFaults,
    /// Executions of the instruction at this address (PERF_TYPE_BREAKPOINT), through a debug register that belongs
    /// to the descriptor.
    Execution {
        /// Where the instruction begins.
        at: Addr,
    },
    /// A tracepoint of the kernel (PERF_TYPE_TRACEPOINT). Samples hold the registers that the user had when it entered the
    /// kernel, with the answer of a system call that is about to return.
    Tracepoint {
        /// Its number in tracefs.
        id: u64,
    },
}

/// How samples are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Every so many events one is sampled; at least 1.
    pub period: u64,
    /// Bytes of stack copied, a multiple of 8 below 64 KiB.
    pub stack: u32,
    /// Page faults that the kernel takes on behalf of the user, such as read(2) into fresh pages, count too.
    pub kernel: bool,
    /// Processes forked later are watched too, not only threads.
    pub children: bool,
    /// Counting begins by itself when the thread executes another program.
    pub from_exec: bool,
}

/// `struct perf_event_attr` of include/uapi/linux/perf_event.h, as of PERF_ATTR_SIZE_VER7 (Linux 5.13).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved_2: u16,
    aux_sample_size: u32,
    reserved_3: u32,
    sig_data: u64,
}

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const TYPE_BREAKPOINT: u32 = 5;
const SW_PAGE_FAULTS: u64 = 2;
const BREAKPOINT_EXECUTE: u32 = 4;

/// IP, TID, TIME, ADDR, ID, REGS_USER and STACK_USER: `perf_ring` reads samples in this form. Not PERIOD: with it the
/// kernel samples every software event, whatever the period (perf_swevent_event in kernel/events/core.c, Linux 6.18).
const SAMPLE_TYPE: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 12 | 1 << 13;
/// The registers of arch/x86/include/uapi/asm/perf_regs.h without the segments but CS and SS.
pub(super) const REGISTERS: u64 = 0x00ff_0fff;

const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
/// Records of code being mapped, in the form of PERF_RECORD_MMAP2.
const MAPPINGS: u64 = 1 << 8 | 1 << 23;
const ENABLE_ON_EXEC: u64 = 1 << 12;
/// Linux 5.13: threads inherit, processes do not.
const INHERIT_THREAD: u64 = 1 << 35;

const FLAG_CLOEXEC: libc::c_ulong = 1 << 3;

/// An event of one thread on one processor.
#[derive(Debug)]
pub struct Counter(OwnedFd);

impl Counter {
    /// Opens it, not yet counting. Threads that `tid` creates from now on are counted with it.
    ///
    /// # Errors
    /// The kernel's: EACCES or EPERM where kernel.perf_event_paranoid, capabilities or a filter refuse, ESRCH where the
    /// thread ended, ENODEV where the processor is offline, ENOSPC where the debug registers are taken, ENOSYS.
    pub fn open(event: Event, sampling: Sampling, tid: i32, cpu: i32) -> io::Result<Counter> {
        match Counter::open_as(event, sampling, tid, cpu, INHERIT_THREAD) {
            // Kernels before 5.13 know neither the flag nor the longer structure's last field.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG)) => {
                Counter::open_as(event, sampling, tid, cpu, 0)
            }
            other => other,
        }
    }

    fn open_as(event: Event, sampling: Sampling, tid: i32, cpu: i32, threads_only: u64) -> io::Result<Counter> {
        let mut attributes = Attributes {
            size: if threads_only == 0 { 112 } else { size_of::<Attributes>() as u32 },
            sample_type: SAMPLE_TYPE,
            flags: DISABLED | INHERIT | EXCLUDE_HYPERVISOR,
            sample_period: sampling.period.max(1),
            sample_regs_user: REGISTERS,
            sample_stack_user: sampling.stack,
            ..Attributes::default()
        };
        if !sampling.children {
            attributes.flags |= threads_only;
        }
        if sampling.from_exec {
            attributes.flags |= ENABLE_ON_EXEC;
        }
        match event {
            Event::PageFaults => {
                (attributes.kind, attributes.config) = (TYPE_SOFTWARE, SW_PAGE_FAULTS);
                attributes.flags |= MAPPINGS | if sampling.kernel { 0 } else { EXCLUDE_KERNEL };
            }
            Event::Execution { at } => {
                (attributes.kind, attributes.bp_type) = (TYPE_BREAKPOINT, BREAKPOINT_EXECUTE);
                attributes.flags |= EXCLUDE_KERNEL;
                // The length of an execution breakpoint is that of a word.
                (attributes.config1, attributes.config2) = (at.0, size_of::<libc::c_long>() as u64);
            }
            // Where it happens is the kernel: without the kernel it never does.
            Event::Tracepoint { id } => (attributes.kind, attributes.config) = (TYPE_TRACEPOINT, id),
        }
        // SAFETY: `attributes` is a perf_event_attr of the length it names and outlives the call, which keeps no pointer.
        let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &attributes, tid, cpu, -1, FLAG_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a non-negative answer is a descriptor that nobody else owns yet.
        Ok(Counter(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// The number that its samples carry, those of threads created since included.
    ///
    /// # Errors
    /// The kernel's.
    pub fn id(&self) -> io::Result<u64> {
        let mut id = 0u64;
        // SAFETY: the kernel writes one word into `id`, which outlives the call.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), ID as _, &raw mut id) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
    }

    /// Events so far, those of threads created since included.
    ///
    /// # Errors
    /// The kernel's.
    pub fn count(&self) -> io::Result<u64> {
        let mut count = [0u8; 8];
        nix::unistd::read(&self.0, &mut count)?;
        Ok(u64::from_ne_bytes(count))
    }

    /// Samples every so many events from now on. Threads that exist already and inherited the event keep their period.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_period(&self, period: u64) -> io::Result<()> {
        // SAFETY: the kernel reads one word, which outlives the call.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), SET_PERIOD as _, &raw const period) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Begins to count.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enable(&self) -> io::Result<()> {
        self.control(ENABLE, 0)
    }

    /// Ends counting.
    ///
    /// # Errors
    /// The kernel's.
    pub fn disable(&self) -> io::Result<()> {
        self.control(DISABLE, 0)
    }

    /// Sends samples into the ring that is mapped on `other`, an event of the same processor.
    ///
    /// # Errors
    /// The kernel's.
    pub fn send_to(&self, other: &Counter) -> io::Result<()> {
        self.control(SET_OUTPUT, libc::c_ulong::try_from(other.0.as_raw_fd()).unwrap_or_default())
    }

    fn control(&self, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
        // SAFETY: these requests of perf_event_open(2) take numbers and touch no memory of ours.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, argument) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Counter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// PERF_EVENT_IOC_ENABLE, _DISABLE, _PERIOD, _SET_OUTPUT and _ID.
const ENABLE: libc::c_ulong = 0x2400;
const DISABLE: libc::c_ulong = 0x2401;
const SET_PERIOD: libc::c_ulong = 0x4008_2404;
const SET_OUTPUT: libc::c_ulong = 0x2405;
const ID: libc::c_ulong = 0x8008_2407;
