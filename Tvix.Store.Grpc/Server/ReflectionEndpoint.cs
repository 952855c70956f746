using Google.Protobuf.Reflection;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Reflection.V1;
using ReflectionV1Alpha = Tvix.Store.Grpc.Protos.Reflection.V1Alpha.ReflectionReflection;

namespace Tvix.Store.Grpc.Server;

/// <summary>
/// Serves <c>grpc.reflection.v1.ServerReflection</c> and the same under its first name, <c>v1alpha</c>, whose messages are the same bytes. Source: grpc.io, "Reflection".
/// </summary>
internal sealed class ReflectionEndpoint
{
    private static readonly ProtobufMarshaller<ServerReflectionRequest> _request = new(ServerReflectionRequest.Parser);
    private static readonly ProtobufMarshaller<ServerReflectionResponse> _response = new(ServerReflectionResponse.Parser);

    private readonly string[] _services;
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);
    private readonly HashSet<string> _messages = new(StringComparer.Ordinal);

    private ReflectionEndpoint(IEnumerable<ServiceDescriptor> services)
    {
        ServiceDescriptor[] all = [.. services];
        _services = [.. all.Select(service => service.FullName).Order(StringComparer.Ordinal)];
        foreach (ServiceDescriptor service in all)
        {
            AddFile(service.File);
        }
    }

    /// <summary>Makes both services.</summary>
    /// <param name="services">What they tell about, besides themselves.</param>
    public static IEnumerable<GrpcServiceDefinition> Define(IEnumerable<ServiceDescriptor> services)
    {
        ServiceDescriptor[] own = [ReflectionReflection.Descriptor.Services[0], ReflectionV1Alpha.Descriptor.Services[0]];
        ReflectionEndpoint endpoint = new([.. services, .. own]);
        return own.Select(service => new GrpcServiceDefinition(service).AddDuplexStreaming("ServerReflectionInfo", _request, _response, endpoint.ServeAsync));
    }

    private async Task ServeAsync(
        IAsyncEnumerable<ServerReflectionRequest> requests, IGrpcResponseWriter<ServerReflectionResponse> responses, IGrpcServerContext context)
    {
        await foreach (ServerReflectionRequest request in requests.WithCancellation(context.CancellationToken).ConfigureAwait(false))
        {
            ServerReflectionResponse response = Answer(request);
            response.ValidHost = request.Host;
            response.OriginalRequest = request;
            await responses.WriteAsync(response, context.CancellationToken).ConfigureAwait(false);
        }
    }

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                ListServiceResponse list = new();
                list.Service.AddRange(_services.Select(name => new ServiceResponse { Name = name }));
                return new ServerReflectionResponse { ListServicesResponse = list };
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                return _files.TryGetValue(request.FileByFilename, out FileDescriptor? file) ? File(file) : NotFound($"There is no file '{request.FileByFilename}'.");
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                return _symbols.TryGetValue(request.FileContainingSymbol, out FileDescriptor? home)
                    ? File(home)
                    : NotFound($"There is no symbol '{request.FileContainingSymbol}'.");
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                return NotFound("There are no extensions.");
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                return _messages.Contains(request.AllExtensionNumbersOfType)
                    ? new ServerReflectionResponse { AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType } }
                    : NotFound($"There is no message '{request.AllExtensionNumbersOfType}'.");
            default:
                return Error(GrpcStatusCode.InvalidArgument, "The request does not say what it is about.");
        }
    }

    private static ServerReflectionResponse File(FileDescriptor file)
    {
        FileDescriptorResponse response = new();
        AddWithImports(file, response, new HashSet<string>(StringComparer.Ordinal));
        return new ServerReflectionResponse { FileDescriptorResponse = response };
    }

    private static void AddWithImports(FileDescriptor file, FileDescriptorResponse response, HashSet<string> seen)
    {
        if (!seen.Add(file.Name))
        {
            return;
        }

        response.FileDescriptorProto.Add(file.SerializedData);
        foreach (FileDescriptor import in file.Dependencies)
        {
            AddWithImports(import, response, seen);
        }
    }

    private static ServerReflectionResponse NotFound(string message) => Error(GrpcStatusCode.NotFound, message);

    private static ServerReflectionResponse Error(GrpcStatusCode code, string message) =>
        new() { ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = message } };

    private void AddFile(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (FileDescriptor import in file.Dependencies)
        {
            AddFile(import);
        }

        foreach (ServiceDescriptor service in file.Services)
        {
            _symbols.Add(service.FullName, file);
            foreach (MethodDescriptor method in service.Methods)
            {
                _symbols.Add(method.FullName, file);
            }
        }

        foreach (MessageDescriptor message in file.MessageTypes)
        {
            AddMessage(message);
        }

        foreach (EnumDescriptor type in file.EnumTypes)
        {
            AddEnum(type);
        }
    }

    private void AddMessage(MessageDescriptor message)
    {
        _messages.Add(message.FullName);
        _symbols.Add(message.FullName, message.File);
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
        {
            _symbols.Add(field.FullName, message.File);
        }

        foreach (OneofDescriptor oneof in message.Oneofs)
        {
            _symbols.Add(oneof.FullName, message.File);
        }

        foreach (MessageDescriptor nested in message.NestedTypes)
        {
            AddMessage(nested);
        }

        foreach (EnumDescriptor nested in message.EnumTypes)
        {
            AddEnum(nested);
        }
    }

    private void AddEnum(EnumDescriptor type)
    {
        _symbols.Add(type.FullName, type.File);

        // The values of an enumeration are in the scope that the enumeration itself is in.
        string scope = type.ContainingType?.FullName ?? type.File.Package;
        foreach (EnumValueDescriptor value in type.Values)
        {
            _symbols.Add($"{scope}.{value.Name}", type.File);
        }
    }
}
