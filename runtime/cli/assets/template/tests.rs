use pelton_sdk::testing::Harness;

#[test]
fn statistics_are_kept_by_sensor() {
    let mut test = Harness::new(crate::function);
    test.push("kitchen", r#"{"celsius":20.0}"#, 1);
    test.push("cellar", r#"{"celsius":11.0}"#, 2);
    test.push("kitchen", r#"{"celsius":21.0}"#, 3);
    assert_eq!(
        test.texts("out"),
        [
            r#"{"count":1,"mean":20.0,"highest":20.0}"#,
            r#"{"count":1,"mean":11.0,"highest":11.0}"#,
            r#"{"count":2,"mean":20.5,"highest":21.0}"#,
        ]
    );
}

#[test]
fn a_reading_that_is_none_is_rejected_and_changes_nothing() {
    let mut test = Harness::new(crate::function);
    test.push("kitchen", "hot", 1);
    test.push("kitchen", r#"{"celsius":20.0}"#, 2);
    assert_eq!(test.rejected().len(), 1);
    assert_eq!(test.texts("out"), [r#"{"count":1,"mean":20.0,"highest":20.0}"#]);
}
