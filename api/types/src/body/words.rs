//! Fields that are a word of a list.

/// Declares which value of the domain each word of the wire stands for, in both directions.
macro_rules! words {
    ($domain:ty = $wire:ident, $problem:literal: $($word:ident),+) => {
        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value {
                    $(<$domain>::$word => Self::$word,)+
                }
            }
        }

        impl $crate::body::TextField for $domain {
            type Sent = $wire;

            fn from_text(text: &str) -> Result<Self, String> {
                let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
                match <$wire as serde::Deserialize>::deserialize(word) {
                    $(Ok($wire::$word) => Ok(Self::$word),)+
                    Err(_) => Err($problem.to_owned()),
                }
            }

            fn text_schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::Ref::from_schema_name(<$wire as utoipa::ToSchema>::name()).into()
            }

            fn text_schemas(schemas: &mut $crate::body::Schemas) {
                let name = <$wire as utoipa::ToSchema>::name().into_owned();
                schemas.push((name, <$wire as utoipa::PartialSchema>::schema()));
            }
        }
    };
}

pub(crate) use words;
