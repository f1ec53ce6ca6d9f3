//! The vDSO: a shared object of the kernel's in each process, with functions that need no system call (vdso(7)).
//!
//! # Safety
//!
//! The kernel maps a whole ELF image, says where, and changes and unmaps nothing of it. It has a segment that is loaded, a dynamic
//! table that ends with a null, and a hash table, whose second word is the number of symbols.

use core::ffi::{CStr, c_ulong};
use linux_raw_sys::auxvec::AT_SYSINFO_EHDR;
use linux_raw_sys::elf_uapi as elf;

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
}

/// Where a function is, if the kernel has it.
pub(crate) fn find(name: &CStr) -> Option<*const u8> {
    // SAFETY: an integer; glibc and musl have it, and so has `entry!`.
    let image = unsafe { getauxval(AT_SYSINFO_EHDR.into()) } as *const u8;
    if image.is_null() {
        return None;
    }
    // SAFETY: everything is read where the image says that it lies.
    unsafe {
        let header = &*image.cast::<elf::Elf64_Ehdr>();
        let segments = image.add(header.e_phoff as usize).cast::<elf::Elf64_Phdr>();
        let segments = core::slice::from_raw_parts(segments, header.e_phnum.into());
        let segment = |kind| segments.iter().find(|segment| segment.p_type == kind);
        let loaded = segment(elf::PT_LOAD)?;
        let base = image.wrapping_add(loaded.p_offset as usize).wrapping_sub(loaded.p_vaddr as usize);
        let dynamic = image.add(segment(elf::PT_DYNAMIC)?.p_offset as usize).cast::<elf::Elf64_Dyn>();
        let table = |tag: u32| {
            let mut entry = dynamic;
            while (*entry).d_tag != tag.into() {
                if (*entry).d_tag == elf::DT_NULL.into() {
                    return None;
                }
                entry = entry.add(1);
            }
            Some(base.wrapping_add((*entry).d_un.d_ptr as usize))
        };
        let names = table(elf::DT_STRTAB)?;
        let symbols = table(elf::DT_SYMTAB)?.cast::<elf::elf64_sym>();
        let count = *table(elf::DT_HASH)?.cast::<u32>().add(1) as usize;
        let symbols = core::slice::from_raw_parts(symbols, count);
        let is_name =
            |symbol: &&elf::elf64_sym| CStr::from_ptr(names.add(symbol.st_name as usize).cast()) == name;
        Some(base.wrapping_add(symbols.iter().find(is_name)?.st_value as usize))
    }
}
