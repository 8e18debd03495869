// From the boot loader's 32-bit mode to kernel_main in 64 bits, and from a system call to kernel_call and back.
    .set multiboot_magic, 0x1BADB002
    .set page_aligned, 1
    .set gigabytes, 1

    .section .multiboot, "a"
    .align 4
    .long multiboot_magic, page_aligned, -(multiboot_magic + page_aligned)

    .bss
    .balign 4096
level4: .skip 4096
level3: .skip 4096
level2: .skip 4096 * gigabytes
    .skip 65536
stack:
program_stack: .skip 8

    .data
    .balign 8
segments:
    .quad 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF  // none, 64-bit code, data
segments_pointer:
    .word segments_pointer - segments - 1
    .quad segments

    .text
    .code32
    .global start
start:
    cli
    mov $stack, %esp
    mov %ebx, %esi  // multiboot information

    // Addresses are what they are, in pages of 2 MB.
    movl $level3 + 3, level4
    movl $level2 + 3, level3
    mov $level2, %edi
    mov $0x83, %eax
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    cmp $level2 + 4096 * gigabytes, %edi
    jne 1b

    mov $level4, %eax
    mov %eax, %cr3
    mov $0x40620, %eax  // PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
    mov %eax, %cr4
    mov $0xC0000080, %ecx  // EFER: LME, SCE
    mov $0x101, %eax
    xor %edx, %edx
    wrmsr
    mov $0x80000033, %eax  // PG, NE, ET, MP, PE; EM and TS off
    mov %eax, %cr0
    lgdt segments_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %esi, %edi
    call kernel_main
halt:
    hlt
    jmp halt

// The program runs in this mode too, so `syscall` changes neither stack nor rights: rax is the number, rdi, rsi, rdx,
// r10, r8, r9 the arguments, rcx where to go on, and only rax, rcx and r11 may change. What lies below the program's
// stack is its own (the red zone), so the kernel has another.
    .global system_call
system_call:
    mov %rsp, program_stack
    mov $stack, %rsp
    push %rcx
    push %rdi
    push %rsi
    push %rdx
    push %r8
    push %r9
    push %r10
    push %r9        // the seventh argument, by the stack
    mov %r8, %r9
    mov %r10, %r8
    mov %rdx, %rcx
    mov %rsi, %rdx
    mov %rdi, %rsi
    mov %rax, %rdi
    call kernel_call
    add $8, %rsp
    pop %r10
    pop %r9
    pop %r8
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rcx
    mov program_stack, %rsp
    jmp *%rcx

// Every exception ends here: its number by where it came in.
    .global exceptions
    .balign 32
exceptions:
    .set number, 0
    .rept 32
    .balign 32
    mov $number, %edi
    mov (%rsp), %rsi
    mov 8(%rsp), %rdx
    jmp kernel_exception
    .set number, number + 1
    .endr

    .section .note.GNU-stack, "", @progbits
