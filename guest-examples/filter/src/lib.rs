//! Keeps the records whose value is longer than 100 bytes.

pelton_sdk::filter!(|record| record.value_bytes().len() > 100);

#[cfg(test)]
mod tests {
    use pelton_sdk::testing::Harness;

    #[test]
    fn only_long_values_pass() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            test.push("short", "x".repeat(100), 1);
            test.push("long", "x".repeat(101), 2);
            let out = test.outputs("out");
            assert_eq!(out.len(), 1);
            assert_eq!((out[0].key_text(), out[0].timestamp), ("long".to_owned(), 2));
        }
    }
}
