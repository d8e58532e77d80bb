//! The declaration of a body.

/// Declares the body of a request.
///
/// ```text
/// body! {
///     /// Body of `PATCH …/roadmap/:slug/lane`.
///     pub struct MoveFeature => CheckedMoveFeature, Unknown::Ignored {
///         /// The lane to move the feature to.
///         lane: Lane,
///         /// The position in that lane; its end when absent.
///         priority: Option<Priority>,
///     }
/// }
/// ```
///
/// The first struct is what a client fills in and what the OpenAPI document shows; the second one holds the values
/// after all checks. A field may have another name in JSON, as in `feature_id "featureId": FeatureId`, and a documented
/// range that the state machine checks, as in `= 1 ..= 100`.
macro_rules! body {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $name:ident => $checked:ident, $unknown:path $(, derive($($derive:ident),+))? {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $($json:literal)?: $type:ty $(= $min:literal ..= $max:literal)?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $(#[derive($($derive),+)])?
        $visibility struct $name {
            $(
                $(#[doc = $doc])+
                $visibility $field: <$type as $crate::body::BodyField>::Sent,
            )+
        }

        #[doc = concat!("The values of a [`", stringify!($name), "`] that passed all checks.")]
        $visibility struct $checked {
            $(
                $(#[doc = $doc])+
                $visibility $field: $type,
            )+
        }

        impl $crate::body::Body for $name {
            type Checked = $checked;

            const UNKNOWN: $crate::body::Unknown = $unknown;

            fn read(fields: &mut $crate::body::Fields) -> Option<$checked> {
                // All fields are read before the first one that is wrong ends this.
                $(let $field: Option<$type> = fields.read($crate::body::json_name!($field $($json)?));)+
                Some($checked { $($field: $field?,)+ })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_map(None)?;
                $(
                    if !<$type as $crate::body::BodyField>::is_left_out(&self.$field) {
                        let name = $crate::body::json_name!($field $($json)?);
                        serde::ser::SerializeMap::serialize_entry(&mut fields, name, &self.$field)?;
                    }
                )+
                serde::ser::SerializeMap::end(fields)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::body::schema_of(
                    &[$($about),+],
                    $unknown,
                    vec![$(
                        $crate::body::Property::of::<$type>(
                            $crate::body::json_name!($field $($json)?),
                            &[$($doc),+],
                        )
                        $(.within($min, $max))?,
                    )+],
                )
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(schemas: &mut $crate::body::Schemas) {
                $(<$type as $crate::body::BodyField>::schemas(schemas);)+
            }
        }
    };
}

/// The name of a field in JSON.
macro_rules! json_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $json:literal) => {
        $json
    };
}

pub(crate) use {body, json_name};
