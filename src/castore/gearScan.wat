;; Where a gear hash says that a chunk ends: the loop of ./gearScan.ts, in which each byte of all content is
;; looked at once. scripts/assemble-gear-scan.ts makes ./gearScanBinary.ts of it.
;;
;;     hash = (hash << 1) + gear[byte]          in 32 bits, so that it depends on the last 32 bytes
;;
;; Memory: the table of 256 numbers, 4 bytes each, at 0; what is looked at behind it.
(module
  (memory (export "memory") 1)
  ;; of the bytes so far; goes on from call to call
  (global $hash (export "hash") (mut i32) (i32.const 0))

  (func $gear (param $byte i32) (result i32)
    (i32.load (i32.shl (local.get $byte) (i32.const 2))))

  ;; Looks at the bytes from $at up to $end (not included). Returns the offset behind the first byte after which
  ;; no bit of $mask is set in the hash; 0 where there is none.
  (func (export "scan") (param $at i32) (param $end i32) (param $mask i32) (result i32)
    (local $hash i32) (local $first i32) (local $pairsEnd i32)
    (local.set $hash (global.get $hash))
    (local.set $pairsEnd
      (i32.add (local.get $at)
        (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const -2))))

    ;; two bytes at a time: a step then waits for one addition instead of two
    (block $noPairs
      (loop $pairs
        (br_if $noPairs (i32.eq (local.get $at) (local.get $pairsEnd)))
        (local.set $first (call $gear (i32.load8_u (local.get $at))))
        (if (i32.eqz
              (i32.and (local.get $mask)
                (i32.add (i32.shl (local.get $hash) (i32.const 1)) (local.get $first))))
          (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $hash
          (i32.add (i32.shl (local.get $hash) (i32.const 2))
            (i32.add (i32.shl (local.get $first) (i32.const 1))
              (call $gear (i32.load8_u offset=1 (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br_if $pairs (i32.and (local.get $hash) (local.get $mask)))
        (return (local.get $at))))

    (if (i32.lt_u (local.get $at) (local.get $end))
      (then
        (local.set $hash
          (i32.add (i32.shl (local.get $hash) (i32.const 1))
            (call $gear (i32.load8_u (local.get $at)))))
        (if (i32.eqz (i32.and (local.get $hash) (local.get $mask)))
          (then (return (local.get $end))))))
    (global.set $hash (local.get $hash))
    (i32.const 0)))
