use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto};

use super::LookoutBuilder;
use crate::facade::GrpcType;

/// Requests: the methods of a gRPC server.
impl LookoutBuilder {
    /// Declares the gRPC methods of a compiled descriptor, such as the `FILE_DESCRIPTOR_SET` of
    /// generated code. It replaces calls of [`grpc_methods`](Self::grpc_methods) and
    /// [`grpc_type`](Self::grpc_type). A type that you set yourself takes precedence. Call it once
    /// for each descriptor.
    ///
    /// [`start`](Self::start) rejects bytes that are not an encoded
    /// `google.protobuf.FileDescriptorSet`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().grpc_descriptor(tonic_health::pb::FILE_DESCRIPTOR_SET);
    /// ```
    pub fn grpc_descriptor(mut self, encoded: impl AsRef<[u8]>) -> Self {
        match FileDescriptorSet::decode(encoded.as_ref()) {
            Ok(set) => {
                for (method, kind) in set.file.iter().flat_map(methods) {
                    self.naming.presets.options.grpc_types.entry(method.clone()).or_insert(kind);
                    self.grpc_methods.push(method);
                }
            }
            Err(error) => self.grpc_descriptor_problem = Some(error.to_string()),
        }
        self
    }
}

/// The fully qualified methods of a file with their types.
fn methods(file: &FileDescriptorProto) -> impl Iterator<Item = (String, GrpcType)> {
    let package = match file.package() {
        "" => String::new(),
        package => format!("{package}."),
    };
    file.service.iter().flat_map(move |service| {
        let service_name = format!("{package}{}", service.name());
        service
            .method
            .iter()
            .map(move |method| (format!("{service_name}/{}", method.name()), kind(method)))
    })
}

fn kind(method: &MethodDescriptorProto) -> GrpcType {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => GrpcType::Unary,
        (true, false) => GrpcType::ClientStream,
        (false, true) => GrpcType::ServerStream,
        (true, true) => GrpcType::BidiStream,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::ServiceDescriptorProto;

    use super::*;
    use crate::Lookout;

    fn method(name: &str, client_streaming: bool, server_streaming: bool) -> MethodDescriptorProto {
        MethodDescriptorProto {
            name: Some(name.to_owned()),
            client_streaming: Some(client_streaming),
            server_streaming: Some(server_streaming),
            ..MethodDescriptorProto::default()
        }
    }

    fn set(package: Option<&str>) -> Vec<u8> {
        let service = ServiceDescriptorProto {
            name: Some("Orders".to_owned()),
            method: vec![
                method("Create", false, false),
                method("Import", true, false),
                method("Watch", false, true),
                method("Chat", true, true),
            ],
            ..ServiceDescriptorProto::default()
        };
        let file = FileDescriptorProto {
            package: package.map(ToOwned::to_owned),
            service: vec![service],
            ..FileDescriptorProto::default()
        };
        FileDescriptorSet { file: vec![file] }.encode_to_vec()
    }

    #[test]
    fn each_method_is_declared_with_its_full_name_and_type() {
        let builder = Lookout::builder()
            .grpc_type("shop.Orders/Create", GrpcType::BidiStream)
            .grpc_descriptor(set(Some("shop")))
            .grpc_descriptor(set(None));
        assert_eq!(builder.grpc_methods.len(), 8);
        let kind_of = |method: &str| {
            assert!(builder.grpc_methods.iter().any(|known| known == method), "{method}");
            builder.naming.presets.options.grpc_types[method]
        };
        assert_eq!(
            kind_of("shop.Orders/Create"),
            GrpcType::BidiStream,
            "the earlier declaration applies"
        );
        assert_eq!(kind_of("shop.Orders/Import"), GrpcType::ClientStream);
        assert_eq!(kind_of("shop.Orders/Watch"), GrpcType::ServerStream);
        assert_eq!(kind_of("shop.Orders/Chat"), GrpcType::BidiStream);
        assert_eq!(kind_of("Orders/Create"), GrpcType::Unary);
    }

    #[test]
    fn start_rejects_an_invalid_descriptor() {
        let error = Lookout::builder().grpc_descriptor([0xff, 1]).start().unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("grpc_descriptor: ") && text.contains("FILE_DESCRIPTOR_SET"),
            "{text}"
        );
    }
}
